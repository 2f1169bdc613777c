"""What generates text: endpoints, clients and the servers that we start ourselves."""
