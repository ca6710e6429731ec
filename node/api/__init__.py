"""What a node answers: the gRPC services and the operator's HTTP pages, and who may ask what.

Protobuf types live here and in `node.peering`, nowhere else in the node.
"""
