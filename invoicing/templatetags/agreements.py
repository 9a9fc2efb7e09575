"""How pages say the terms of a fee agreement and how it stands: `{% load agreements %}`."""

from __future__ import annotations

from django import template

from invoicing.web.agreements import words

register = template.Library()

terms_words = register.filter("terms_words", words.terms)
days_words = register.filter("days_words", words.days)
coming_words = register.filter("coming_words", words.coming)
worth_words = register.filter("worth_words", words.worth)
agreed_period = register.filter("agreed_period", words.period_of_line)
covered_words = register.filter("covered_words", words.covered)
