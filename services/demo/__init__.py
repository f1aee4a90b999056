"""A demonstration: real traffic through the gateway, then figures beside what was promised, and the books."""
