"""The web app: a Reflex front end that knows the API only over HTTP. Start reading at `webapp/webapp.py`."""
