"""What should be, compared with what is: nothing is lost, whatever broke."""
