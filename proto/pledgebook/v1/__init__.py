"""Version 1 of the wire interface, generated from the `.proto` files beside it by `scripts/generate-proto`."""
