"""Talk between nodes: outgoing streams, the service that takes them in, and catching up by certified blocks."""
