"""Small bots, one a platform: each plays a short conversation with a running decision service and prints it.

python -m examples.chatbots.rasa --customer c-000001
"""
