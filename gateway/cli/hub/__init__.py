"""Has a model of Hugging Face's hub served: `python -m gateway.cli.hub MODEL --repository DIR`.

It runs in vLLM's environment before Triton starts: it imports huggingface_hub, the standard library and `gateway.cli`.

options     the command line and its variables
hub_token   the token that opens models with restricted access
remote      asks the hub, or reads its cache, for a `listing`; failures says what went wrong, with a remedy
selection   which of a model's files are needed
installed   what the installed vLLM knows, read from its source
refusals    models that are refused before anything large is downloaded
shape       what config.json says about a model's size
hardware    the memory that there is: GPUs, or this machine's
sizing      context, sequences and memory share, for gpu_sizing and cpu_sizing
families    the parsers of tool calls and reasoning, by the family of the model
download    the files into the cache, with lines about its progress
model_files the texts of config.pbtxt and model.json
folder      writes them, and keeps what its user has edited
main        all of it, in order
"""
