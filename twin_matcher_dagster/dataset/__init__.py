"""The data set: its rows, its identities, its shards and its versions."""
