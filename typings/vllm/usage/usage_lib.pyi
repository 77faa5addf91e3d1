import enum

class UsageContext(str, enum.Enum):
    OPENAI_API_SERVER = "OPENAI_API_SERVER"
