// A program that uses a published client for Node: the calls come as JSON lines on standard input,
// in the words of Segment's specification. It prints a line for each attempt to send that failed,
// and ends well once every call was acknowledged.
"use strict";

const readline = require("node:readline");

const [name, address, key] = process.argv.slice(2);
const often = { flushAt: 5, flushInterval: 100 }; // ms
const failed = (why) => console.log(`failed: ${why}`);

const retrying = {
  ...often,
  axiosRetryConfig: {
    retries: 60,
    retryDelay: (_, error) => {
      failed(error.response?.status ?? error.code);
      return 500; // ms
    },
  },
  errorHandler: () => {}, // the callback of each call says it as well
};

function old(Analytics) {
  const client = new Analytics(key, { host: address, flushAt: 5, flushAfter: 100 });
  return [client, () => client.flush()];
}

const clients = {
  "analytics-node": () => {
    const { Analytics } = require("@segment/analytics-node");
    const client = new Analytics({ writeKey: key, host: address, maxRetries: 30, ...often });
    client.on("http_response", ({ status }) => status >= 400 && failed(status));
    client.on("http_request", ({ headers }) => "X-Retry-Count" in headers && failed("tried again"));
    return [client, () => client.closeAndFlush({ timeout: 120_000 })];
  },
  "analytics-node-6": () => {
    const Analytics = require("analytics-node");
    const client = new Analytics(key, { host: address, ...retrying });
    return [client, () => client.flush()];
  },
  // The first ones, which send an id that is a number as a number.
  "analytics-node-1": () => old(require("analytics-node-1")),
  "analytics-node-2": () => old(require("analytics-node-2")),
  "rudder-node": () => {
    const RudderAnalytics = require("@rudderstack/rudder-sdk-node");
    const client = new RudderAnalytics(key, { dataPlaneUrl: address, logLevel: "none", ...retrying });
    return [client, () => client.flush()];
  },
};

async function main() {
  const [client, flush] = clients[name]();
  const acknowledged = [];
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { type, ...message } = JSON.parse(line);
    if (message.timestamp) message.timestamp = new Date(message.timestamp);
    acknowledged.push(
      new Promise((resolve, reject) =>
        client[type](message, (error) => (error ? reject(error) : resolve())),
      ),
    );
  }
  await flush();
  await Promise.all(acknowledged);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
