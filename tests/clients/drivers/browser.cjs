// A visitor with a browser: headless Chromium shows a page that uses a published client. What the
// visitor does comes as JSON lines on standard input: opening a page of the site, or a call in the
// words of Segment's specification. It prints a line for each attempt to send that failed, and ends
// well once every call was acknowledged.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const [name, address, key] = process.argv.slice(2);

// The page that uses a client, the client's bundle, and its options.
const segment = ["analytics-next.html", "@segment/analytics-next/dist/umd/index.js"];
const rudder = ["rudder-js.html", "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"];
const told = { apiHost: `${new URL(address).host}/v1`, protocol: "http" }; // or the server tells
const batching = { strategy: "batching", config: { size: 5, timeout: 100 } };
const oneByOne = { maxItems: 1 }; // what a beacon holds cannot be looked at
const [pageFile, bundleFile, options] = {
  "analytics-next": [...segment, told],
  "analytics-next-batching": [...segment, { deliveryStrategy: batching }],
  "rudder-js": [...rudder, {}],
  "rudder-js-beacon": [...rudder, { useBeacon: true, beaconQueueOptions: oneByOne }],
}[name];

// The site: its settings, the client's bundle, and at every other path the page.
function serveSite() {
  const page = fs.readFileSync(path.join(__dirname, pageFile));
  const bundle = fs.readFileSync(path.join(process.env.NODE_PATH, bundleFile));
  const settings = `const settings = ${JSON.stringify({ address, key, options })};`;
  const site = http.createServer((request, response) => {
    const script = { "/client.js": bundle, "/settings.js": settings }[request.url];
    response.setHeader("Content-Type", script ? "text/javascript" : "text/html; charset=utf-8");
    response.end(script ?? page);
  });
  return new Promise((resolve) => site.listen(0, "127.0.0.1", () => resolve(site)));
}

// Counts the calls that the server acknowledged, whether they came alone or in a batch.
function watch(page) {
  const watched = { acknowledged: 0 };
  const isCall = (request) => request.method() === "POST" && request.url().startsWith(address);
  const failed = (why) => console.log(`failed: ${why}`);
  // Not "requestfinished", which waits for somebody to read the answer's body.
  page.on("response", (response) => {
    const request = response.request();
    if (!isCall(request)) return;
    if (response.status() !== 200) failed(response.status());
    else watched.acknowledged += request.postDataJSON()?.batch?.length ?? 1;
  });
  page.on("requestfailed", (request) => isCall(request) && failed(request.failure().errorText));
  page.on("pageerror", (error) => {
    throw error;
  });
  return watched;
}

async function main() {
  const site = await serveSite();
  const home = `http://127.0.0.1:${site.address().port}`;
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
  const page = await browser.newPage();
  const watched = watch(page);
  const acknowledged = async (calls) => {
    while (watched.acknowledged < calls) await page.waitForTimeout(20);
  };
  let calls = 0;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { type, ...message } = JSON.parse(line);
    calls += 1;
    if (type === "open") {
      await acknowledged(calls - 1); // who leaves sooner may take along what was not sent
      await page.goto(home + message.path); // the page makes a call by itself
      await acknowledged(calls); // as long as it loads, clients take calls in another order
    } else await page.evaluate(([type, message]) => call[type](message), [type, message]);
  }
  await acknowledged(calls);
  console.log(`visitor: ${await page.evaluate(() => anonymousId())}`);
  await browser.close();
  site.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
