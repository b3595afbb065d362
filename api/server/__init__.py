"""An HTTP server on uvicorn with limits for its connections."""
