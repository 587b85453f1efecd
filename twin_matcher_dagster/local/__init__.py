"""This machine: the environment of the services, their processes, the embedded S3 server."""
