"""What relays post to us instead of returning mail: signed by a secret of ours, or by Amazon SNS."""
