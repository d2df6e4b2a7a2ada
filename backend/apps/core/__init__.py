"""What every room stands on: problems, amounts, doorbells, paging, logs. It knows no domain word."""
