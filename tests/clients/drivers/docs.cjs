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

  await page.goto(`${address}/`);
  await page.locator(".opblock").first().waitFor();
  const aliases = page.locator(".opblock-tag[data-tag=Aliases]");
  await page.locator(".opblock-tag[data-tag=Aliases][data-is-open=false]").waitFor();
  saw.headings = await page.locator(".opblock-tag").evaluateAll((tags) => tags.map((tag) => tag.dataset.tag));
  await aliases.click();
  await page.locator(".opblock", { hasText: "/beacon/v1/batch" }).waitFor();
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

  // What was just posted shows in the profile, with nothing filled in.
  const executed = async (operation) => {
    await operation.locator(".try-out__btn").click();
    await operation.locator(".execute").click();
    const answer = operation.locator(".live-responses-table .response").first();
    await answer.waitFor();
    const text = (part) => answer.locator(`.response-col_${part}`).first().textContent();
    return { status: await text("status"), answer: await text("description") };
  };
  saw.posted = await executed(page.locator("#operations-Sending-post_v1_page"));
  const profile = page.locator("#operations-Profiles-get_v1_user__user_id_");
  await profile.locator(".opblock-summary").click();
  saw.profile = await executed(profile);

  await browser.close();
  console.log(JSON.stringify(saw));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
