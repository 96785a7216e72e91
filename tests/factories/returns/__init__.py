"""Mails that come back, written as the world's mail servers write them about a mail that was really sent: who, why, in which form, how much returned."""
