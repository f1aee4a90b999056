"""What a contract says and carries as JSON: values both ways, example bodies, the contract itself."""
