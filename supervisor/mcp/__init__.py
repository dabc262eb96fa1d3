"""The MCP server of one session: its leases, its task and its neighbours as tools of the model."""
