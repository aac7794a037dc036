"""The network's side of MemQL: settings, logs, GraphQL and the command line. Stores are the engine's alone."""

__version__ = "0.1.0"
