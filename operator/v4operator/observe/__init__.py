"""World -> Observation: scrape, parse, keep windows, join. Nothing is judged here."""
