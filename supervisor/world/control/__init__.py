"""The control socket: JSON-RPC 2.0, one line a message, over a unix socket.

`client` imports the standard library only, so that the command line starts fast; nothing is imported here.
"""
