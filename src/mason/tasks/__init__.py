"""Tasks: rows to examples, which head, which loss, how a prediction reads."""
