"""What staff ask of a whole site: supply over time, what unlocks when, who has what by policy, and all releases."""
