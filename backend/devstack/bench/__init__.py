"""What things cost, as ratios of two ways in one run: seconds of a noisy machine say nothing."""
