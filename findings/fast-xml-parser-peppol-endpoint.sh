#!/bin/sh
# One would guess: an invoice in UBL that is parsed and built again, unchanged, is the same invoice.
# What happens: by default whatever looks like a number becomes one. The Peppol endpoint and the invoice number lose
# their leading zeros, the OGM of twelve bare digits too, an order number "1e3" becomes 1000, a price of 98.50 becomes
# 98.5. Attributes stay text, so scheme 0208 keeps its zero, and digits too many for a float stay text: neither shows
# in a test with the usual example values.
# Why it matters: the first enterprise numbers all began with 0. The rebuilt invoice addresses nobody on Peppol, and a
# payment cannot be matched. Set parseTagValue: false.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts fast-xml-parser@5.12.1
cd "$folder"
node --input-type=commonjs - <<'END'
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const { XMLBuilder, XMLParser } = require("fast-xml-parser");
const invoice = (id, endpoint, ogm, order, price) =>
  `<Invoice><ID>${id}</ID><EndpointID schemeID="0208">${endpoint}</EndpointID><PaymentID>${ogm}</PaymentID>` +
  `<OrderReference>${order}</OrderReference><PriceAmount currencyID="EUR">${price}</PriceAmount></Invoice>`;
const original = invoice("00012", "0403019261", "010806817183", "1e3", "98.50");
const again = (options) => {
  const parsed = new XMLParser({ ignoreAttributes: false, ...options }).parse(original);
  return new XMLBuilder({ ignoreAttributes: false }).build(parsed);
};
console.log(`fast-xml-parser ${require("./node_modules/fast-xml-parser/package.json").version}`);
see("parsed and built again", again({}), invoice("12", "403019261", "10806817183", "1000", "98.5"));
see("with parseTagValue: false", again({ parseTagValue: false }), original);
END
