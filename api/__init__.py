"""The booking API: Litestar routes over services over hand-written SQL. Start reading at `api/app.py`."""
