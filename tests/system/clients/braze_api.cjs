// The npm package braze-api as its users call it: node braze_api.cjs <address> <calls as JSON>; the key comes on stdin.
const { readFileSync } = require("node:fs");
const { Braze } = require("braze-api");

async function main([address, calls]) {
  const braze = new Braze(address, readFileSync(0, "utf8"));
  const answers = [];
  for (const [name, body] of JSON.parse(calls)) {
    const call = name.split(".").reduce((part, word) => part[word], braze);
    try {
      answers.push(await call(body));
    } catch (error) {
      answers.push({ failed: error.message });
    }
  }
  console.log(JSON.stringify(answers));
}

main(process.argv.slice(2));
