"""How nodes become a cluster, and what they ask each other about its members: rules, without IO."""
