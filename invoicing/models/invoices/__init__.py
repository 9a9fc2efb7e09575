"""Invoices with their lines, claims, attempts and annexes."""
