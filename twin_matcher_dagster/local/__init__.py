"""Everything on one machine: the embedded S3 server, the services, the demo."""
