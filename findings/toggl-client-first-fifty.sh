#!/bin/sh
# One would guess: a client of Toggl's reports that has details() and detailsAll() ("all pages") gives one page with the
# first, saying whether there is another, and every entry with the second.
# What happens: details() of toggl-client says hasNextPage false on a page of 50 of 120 entries, whatever Toggl says.
# It looks for total_count in the answer, where version 3 of the reports gives a bare list and names the next row in a
# header. detailsAll() ends with a TypeError on every answer.
# Why it matters: one replaces the call that fails by the one that works, asks while hasNextPage, and bills the first
# fifty entries of a month.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts toggl-client@3.5.0
cd "$folder"
node --input-type=module - <<'END'
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import got from "got";
import togglClient from "toggl-client";

const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

// Toggl's documented answer: a list of rows, 50 a page unless asked otherwise; X-Next-Row-Number when there are more.
const entries = Array.from({ length: 120 }, (_, n) => ({ row_number: n + 1, time_entries: [{ id: n + 1, seconds: 3600 }] }));
const asked = [];
const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const { first_row_number: first = 1, page_size: size = 50 } = JSON.parse(body);
  asked.push(first);
  if (first - 1 + size < entries.length) response.setHeader("X-Next-Row-Number", first + size);
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(entries.slice(first - 1, first - 1 + size)));
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

const client = togglClient({ apiToken: "token" });
// The address is the only thing that is replaced.
client.httpClient = (path, options) => got(path, { ...options, prefixUrl: `http://127.0.0.1:${server.address().port}` });

console.log(`toggl-client ${JSON.parse(readFileSync("node_modules/toggl-client/package.json")).version}`);
const page = await client.reports.details(1, { start_date: "2026-11-01", end_date: "2026-11-30" });
see("entries that Toggl has", entries.length, 120);
see("details() gives", page.length, 50);
see("details() says there is another page", page.hasNextPage, false);
const failure = await client.reports.detailsAll(1, { start_date: "2026-11-01" }).catch((error) => error.name);
see("detailsAll()", failure, "TypeError");
see("rows that it asked from", asked, [1, 1]);
server.close();
END
