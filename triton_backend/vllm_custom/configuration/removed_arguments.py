"""Engine arguments that vLLM once had (pure): a model.json that names one still loads, with a warning.

A model directory outlives many versions of vLLM. What never was an argument is an error, because it is a misspelling.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_NOTHING = "it has no successor"
_SPECULATIVE = "write speculative_config"
_STRUCTURED = "write structured_outputs_config"
_EPLB = "write eplb_config"

# Name: what the operator can do about it. Only those that the installed vLLM does not know count.
REMOVED: Mapping[str, str] = {
    "calculate_kv_scales": _NOTHING,
    "collect_model_execute_time": "write collect_detailed_traces",
    "collect_model_forward_time": "write collect_detailed_traces",
    "cuda_graph_sizes": "write cudagraph_capture_sizes",
    "device": "the installed vLLM is built for one kind of device",
    "disable_additional_properties": _STRUCTURED,
    "disable_any_whitespace": _STRUCTURED,
    "disable_async_output_proc": _NOTHING,
    "disable_log_requests": "requests are not logged unless enable_log_requests is true",
    "disable_mm_preprocessor_cache": "write mm_processor_cache_gb: 0",
    "enable_multimodal_encoder_data_parallel": 'write mm_encoder_tp_mode: "data"',
    "enable_prompt_adapter": _NOTHING,
    "enable_reasoning": "reasoning_parser alone switches it on",
    "engine_use_ray": 'write distributed_executor_backend: "ray"',
    "eplb_log_balancedness": _EPLB,
    "eplb_step_interval": _EPLB,
    "eplb_window_size": _EPLB,
    "guided_decoding_backend": _STRUCTURED,
    "guided_decoding_disable_additional_properties": _STRUCTURED,
    "guided_decoding_disable_any_whitespace": _STRUCTURED,
    "guided_decoding_disable_fallback": _STRUCTURED,
    "image_feature_size": _NOTHING,
    "image_input_shape": _NOTHING,
    "image_input_type": _NOTHING,
    "image_processor": _NOTHING,
    "image_processor_revision": _NOTHING,
    "image_token_id": _NOTHING,
    "long_lora_scaling_factors": _NOTHING,
    "lora_extra_vocab_size": _NOTHING,
    "max_context_len_to_capture": "write max_cudagraph_capture_size",
    "max_long_partial_prefills": _NOTHING,
    "max_num_partial_prefills": _NOTHING,
    "max_paddings": _NOTHING,
    "max_prompt_adapter_token": _NOTHING,
    "max_prompt_adapters": _NOTHING,
    "max_seq_len_to_capture": "write max_cudagraph_capture_size",
    "multi_step_stream_outputs": "write stream_interval",
    "ngram_prompt_lookup_max": _SPECULATIVE,
    "ngram_prompt_lookup_min": _SPECULATIVE,
    "num_lookahead_slots": _NOTHING,
    "num_redundant_experts": _EPLB,
    "num_scheduler_steps": _NOTHING,
    "num_speculative_tokens": _SPECULATIVE,
    "override_neuron_config": "write additional_config",
    "override_pooler_config": "write pooler_config",
    "preemption_mode": _NOTHING,
    "qlora_adapter_name_or_path": _NOTHING,
    "quantization_param_path": _NOTHING,
    "rope_scaling": "write hf_overrides; until then the model's own value holds",
    "rope_theta": "write hf_overrides; until then the model's own value holds",
    "scheduler_delay_factor": _NOTHING,
    "speculative_disable_by_batch_size": _SPECULATIVE,
    "speculative_disable_mqa_scorer": _SPECULATIVE,
    "speculative_draft_tensor_parallel_size": _SPECULATIVE,
    "speculative_max_model_len": _SPECULATIVE,
    "speculative_model": _SPECULATIVE,
    "speculative_model_quantization": _SPECULATIVE,
    "spec_decoding_acceptance_method": _SPECULATIVE,
    "swap_space": "write kv_offloading_size",
    "task": "write runner and convert",
    "typical_acceptance_sampler_posterior_alpha": _SPECULATIVE,
    "typical_acceptance_sampler_posterior_threshold": _SPECULATIVE,
    "use_v2_block_manager": _NOTHING,
    "worker_use_ray": 'write distributed_executor_backend: "ray"',
}


def removed(arguments: Mapping[str, Any], known: Collection[str]) -> dict[str, str]:
    """Those of the arguments that vLLM has lost, and what to do about each."""
    return {name: REMOVED[name] for name in arguments if name not in known and name in REMOVED}
