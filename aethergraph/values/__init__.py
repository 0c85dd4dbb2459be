"""What goes in and out of nodes: shapes, outputs, previews, and the canonical form that identities are made of."""
