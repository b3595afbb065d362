"""E-mails to buyers: the outbox, the texts in three languages, the composition of a message, and SMTP.

The reader of the feed queues a message (`outbox`). The worker composes it from the present state of the order
(`compose`) and sends it (`smtp`). `delivery` combines them.
"""
