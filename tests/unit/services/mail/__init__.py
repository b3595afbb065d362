"""Tests of the e-mails to buyers."""
