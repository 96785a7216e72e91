"""The campaign that benchmarks send: 10 KiB of HTML and a plain text, five merge tags, three tracked links, pixel, ways to leave."""

from __future__ import annotations

TEXT = "A paragraph of an ordinary newsletter, as long as such paragraphs are, with nothing in it that would need quoting. " * 3
HTML = ("<html><body><h1>Hello %Subscriber:FirstName|friend%</h1>" + f"<p>{TEXT}</p>" * 24
        + "".join(f'<p><a href="https://shop.example/{number}">Offer {number}</a></p>' for number in range(1, 4))
        + '<p>%Subscriber:FirstName% %Subscriber:LastName|of ours%, %Subscriber:EmailAddress% is on %List:ListName%. '
          '<a href="%Link:WebBrowser%">View</a></p><p><a href="%Link:Unsubscribe%">Unsubscribe</a></p></body></html>')
PLAIN = f"Hello %Subscriber:FirstName|friend%\n\n{TEXT}\n\nUnsubscribe: %Link:Unsubscribe%\n"
SUBJECT = "January at the mill, %Subscriber:FirstName|friend%"
