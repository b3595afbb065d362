"""The staff pages: a Reflex app with State. Start reading at `webapp/staff/app.py`."""
