"""The web app: a Reflex front end that uses the API only over HTTP. Start reading at `webapp/webapp.py`."""
