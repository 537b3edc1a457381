// A reader with a browser: headless Chromium opens `/docs`, looks at it, and tries an operation out
// with a key. Prints what it saw as JSON: every request, complaints on the console, and texts.
"use strict";

const { chromium } = require("playwright-core");

const [address, key, picture] = process.argv.slice(2);

async function main() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
  const page = await browser.newPage({ viewport: { width: 1200, height: 1600 } });
  const saw = { requests: [], complaints: [] };
  page.on("request", (request) => saw.requests.push(request.url()));
  page.on("console", (said) => {
    if (["error", "warning"].includes(said.type())) saw.complaints.push(said.text());
  });
  page.on("pageerror", (error) => saw.complaints.push(String(error)));

  await page.goto(`${address}/docs`);
  await page.locator(".opblock").first().waitFor();
  saw.operations = await page.locator(".opblock").evaluateAll((blocks) =>
    blocks.map((block) => {
      const text = (part) => block.querySelector(`.opblock-summary-${part}`).textContent;
      return `${text("method")} ${text("path").replaceAll("\u200b", "")}`;
    }),
  );

  // An example, and how a key is given.
  await page.locator(".opblock", { hasText: "/v1/page" }).first().click();
  saw.example = await page.locator(".opblock-section-request-body pre").first().textContent();
  await page.locator(".btn.authorize").click();
  await page.locator(".auth-container", { hasText: "bearer" }).locator("input").fill(key);
  await page.locator(".auth-container", { hasText: "bearer" }).locator(".authorize").click();
  await page.locator(".btn-done").first().click();
  if (picture) await page.screenshot({ path: picture });

  const metrics = page.locator(".opblock", { hasText: "/metrics" });
  await metrics.click();
  await metrics.locator(".try-out__btn").click();
  await metrics.locator(".execute").click();
  const answer = metrics.locator(".live-responses-table .response").first();
  await answer.waitFor();
  saw.status = await answer.locator(".response-col_status").first().textContent();
  saw.answer = await answer.locator(".response-col_description").textContent();

  await browser.close();
  console.log(JSON.stringify(saw));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
