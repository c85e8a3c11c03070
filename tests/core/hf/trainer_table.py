"""What becomes of each training argument and each public method of the Trainer: data for its test and for the docs.

A line is ``name -> (status, proof, note)``. The status is ``works``, ``refused`` or ``no effect``. The proof is a test,
as ``file.py::function`` in this folder, or ``UNTOUCHED``: the Trainer's code that reads the argument runs as it is,
which test_trainer_table.py checks by reading the source of both classes.
"""

from __future__ import annotations

from typing import NamedTuple

UNTOUCHED = "untouched"
WORKS, REFUSED, NO_EFFECT = "works", "refused", "no effect"


class Entry(NamedTuple):
    status: str
    proof: str = UNTOUCHED
    note: str = ""


_EDGES, _HF, _MODELS = "test_hf_promises.py::", "test_hf.py::", "test_hf_models.py::"
_STATE, _TABLE = "test_hf_checkpoints.py::", "test_trainer_table.py::"
_UNSUPPORTED = _TABLE + "test_a_refused_argument_says_what_to_do"
_RECOMPUTED = _TABLE + "test_recomputing_activations_changes_nothing"
_HALF = _TABLE + "test_evaluation_in_half_precision"
_IN_TURN = "Replays keep it."

_BY_THE_TRAINER = """
output_dir lr_scheduler_type lr_scheduler_kwargs warmup_steps optim_args adam_beta1 adam_beta2 adam_epsilon
max_grad_norm use_cache logging_strategy logging_steps logging_first_step log_on_each_node include_num_input_tokens_seen
log_level log_level_replica disable_tqdm report_to run_name project trackio_space_id trackio_bucket_id
trackio_static_space_id eval_strategy eval_steps eval_delay per_device_eval_batch_size prediction_loss_only
eval_on_start eval_do_concat_batches eval_use_gather_object eval_accumulation_steps include_for_metrics
batch_eval_metrics save_strategy save_steps save_on_each_node save_total_limit enable_jit_checkpoint push_to_hub
hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision metric_for_best_model
greater_is_better restore_callback_states_from_checkpoint full_determinism data_seed use_cpu dataloader_drop_last
length_column_name ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend
ddp_timeout debug skip_memory_metrics
"""

ARGUMENTS: dict[str, Entry] = {
    **{name: Entry(WORKS) for name in _BY_THE_TRAINER.split()},
    "per_device_train_batch_size": Entry(WORKS, _EDGES + "test_noise_does_not_depend_on_the_cut"),
    "gradient_accumulation_steps": Entry(
        WORKS,
        _HF + "test_two_halves_are_one_batch",
        "An update is the mean over its labelled rows, however they are cut.",
    ),
    "num_train_epochs": Entry(
        WORKS,
        _EDGES + "test_how_long_a_method_with_replays_trains",
        "FreeAT divides it by m: a whole number to whole passes, at least one; a fraction exactly.",
    ),
    "max_steps": Entry(
        WORKS,
        _EDGES + "test_how_long_a_method_with_replays_trains",
        "Counts updates; FreeAT may end amid the presentations of a batch.",
    ),
    "learning_rate": Entry(WORKS, _TABLE + "test_rates_and_decay_reach_the_groups"),
    "weight_decay": Entry(
        WORKS,
        _TABLE + "test_rates_and_decay_reach_the_groups",
        "On matrices, as official BERT has it; an override of `get_decay_parameter_names` is honoured for vanilla.",
    ),
    "optim": Entry(
        WORKS,
        _TABLE + "test_ordinary_optimizers",
        "Any optimiser over parameter groups. Those that make groups of their own (GaLore, APOLLO, Muon, LOMO) are "
        "refused. Schedule-free ones work; teachers are made of the weights that training moves.",
    ),
    "optim_target_modules": Entry(
        REFUSED,
        _HF + "test_an_optimizer_with_its_own_groups_is_refused",
        "Its optimisers make groups of their own.",
    ),
    "average_tokens_across_devices": Entry(
        NO_EFFECT,
        _TABLE + "test_arguments_without_effect",
        "An update is always the mean over the rows of all processes. `num_items_in_batch` follows it.",
    ),
    "label_smoothing_factor": Entry(
        WORKS, _HF + "test_label_smoothing_and_a_loss_of_ones_own", "Inside the method's task loss; classes only."
    ),
    "bf16": Entry(
        WORKS,
        _HF + "test_under_bf16_both_terms_of_smart_are_float32",
        "Pass by pass; the two sides of a divergence under perturbation stay float32.",
    ),
    "fp16": Entry(
        WORKS,
        _EDGES + "test_a_step_that_the_scaler_skips_does_not_move_the_teacher",
        "As bf16, with the Trainer's loss scaler; not measured on a GPU.",
    ),
    "bf16_full_eval": Entry(WORKS, _HALF, "Turns the model itself to half precision, as in the Trainer."),
    "fp16_full_eval": Entry(WORKS, _HALF, "Turns the model itself to half precision, as in the Trainer."),
    "tf32": Entry(WORKS, note="The two sides of a divergence under perturbation compute without it."),
    "activation_checkpointing": Entry(WORKS, _RECOMPUTED),
    "activation_checkpointing_kwargs": Entry(WORKS, _RECOMPUTED, "Not `use_reentrant=True` with a perturbation."),
    "gradient_checkpointing": Entry(WORKS, _RECOMPUTED, "The older name of activation_checkpointing."),
    "gradient_checkpointing_kwargs": Entry(WORKS, _RECOMPUTED, "The older name of activation_checkpointing_kwargs."),
    "torch_compile": Entry(REFUSED, _UNSUPPORTED, "A compiled model ignores the hooks that perturb its embeddings."),
    "torch_compile_backend": Entry(REFUSED, _UNSUPPORTED, "Switches torch_compile on."),
    "torch_compile_mode": Entry(REFUSED, _UNSUPPORTED, "Switches torch_compile on."),
    "use_liger_kernel": Entry(REFUSED, _UNSUPPORTED, "No method has been checked with these kernels."),
    "liger_kernel_config": Entry(NO_EFFECT, _TABLE + "test_arguments_without_effect", "Without use_liger_kernel."),
    "neftune_noise_alpha": Entry(
        WORKS,
        _MODELS + "test_neftunes_noise_is_shared_by_the_two_sides_of_r_s",
        "Its noise is drawn like a dropout mask, so passes that share masks share it.",
    ),
    "torch_empty_cache_steps": Entry(WORKS, _TABLE + "test_the_cache_is_emptied"),
    "auto_find_batch_size": Entry(
        WORKS,
        _EDGES + "test_a_retry_with_a_smaller_batch_starts_the_method_anew",
        "The method starts anew with each size.",
    ),
    "logging_nan_inf_filter": Entry(
        NO_EFFECT,
        _EDGES + "test_a_loss_that_is_not_finite_ends_training",
        "A loss that is not finite ends training with its update and its parts.",
    ),
    "save_only_model": Entry(
        WORKS, _TABLE + "test_saving_the_model_alone", "Such a checkpoint cannot be resumed, and says so."
    ),
    "load_best_model_at_end": Entry(
        WORKS,
        _STATE + "test_the_best_model_is_loaded_evaluated_and_saved",
        "The weights that were evaluated, such as the average of that time.",
    ),
    "ignore_data_skip": Entry(
        WORKS, _EDGES + "test_replays_cannot_skip_data_when_resuming", "Refused with FreeAT (m > 1)."
    ),
    "seed": Entry(WORKS, _TABLE + "test_the_seed_is_the_methods"),
    "accelerator_config": Entry(WORKS, note="FreeAT (m > 1) refuses dispatch_batches."),
    "parallelism_config": Entry(
        REFUSED, _TABLE + "test_a_model_in_parts_is_refused", "Tensor, context and sequence parallelism."
    ),
    "dataloader_num_workers": Entry(WORKS, _TABLE + "test_replays_keep_the_loaders_options", _IN_TURN),
    "dataloader_pin_memory": Entry(WORKS, _TABLE + "test_replays_keep_the_loaders_options", _IN_TURN),
    "dataloader_persistent_workers": Entry(WORKS, _TABLE + "test_replays_keep_the_loaders_options", _IN_TURN),
    "dataloader_prefetch_factor": Entry(WORKS, _TABLE + "test_replays_keep_the_loaders_options", _IN_TURN),
    "dataloader_multiprocessing_context": Entry(WORKS, _TABLE + "test_replays_keep_the_loaders_options", _IN_TURN),
    "dataloader_in_order": Entry(WORKS, _TABLE + "test_replays_keep_the_loaders_options", _IN_TURN),
    "remove_unused_columns": Entry(
        WORKS,
        _MODELS + "test_a_column_that_only_looks_like_ours_is_dropped",
        "A column example_id of whole numbers is kept for the noise.",
    ),
    "label_names": Entry(REFUSED, _UNSUPPORTED, "Unless it is labels: methods read no other column."),
    "train_sampling_strategy": Entry(WORKS, _EDGES + "test_noise_does_not_depend_on_the_cut"),
    "fsdp": Entry(REFUSED, _TABLE + "test_a_model_in_parts_is_refused", "Methods copy and average whole weights."),
    "fsdp_config": Entry(REFUSED, _TABLE + "test_a_model_in_parts_is_refused", "With fsdp."),
    "deepspeed": Entry(REFUSED, _TABLE + "test_a_model_in_parts_is_refused", "Methods copy and average whole weights."),
    "do_train": Entry(NO_EFFECT, note="As in the Trainer: a script may read it."),
    "do_eval": Entry(NO_EFFECT, note="As in the Trainer: a script may read it."),
    "do_predict": Entry(NO_EFFECT, note="As in the Trainer: a script may read it."),
    "resume_from_checkpoint": Entry(NO_EFFECT, note="As in the Trainer: pass it to `train()`."),
    "local_rank": Entry(NO_EFFECT, note="As in the Trainer: the launcher sets it."),
}

_INHERITED = """
add_callback autocast_smart_context_manager call_model_init create_accelerator_and_postprocess create_model_card
create_optimizer_and_scheduler create_scheduler end evaluate floating_point_ops get_cp_size get_decay_parameter_names
get_eval_dataloader get_learning_rates get_num_trainable_parameters get_optimizer_cls_and_kwargs get_optimizer_group
get_sp_size get_test_dataloader get_total_train_batch_size get_tp_size init_hf_repo is_local_process_zero
is_world_process_zero log_metrics loss_is_scaled_for_ga metrics_format num_examples pop_callback predict push_to_hub
remove_callback save_metrics save_state store_flos train
"""

METHODS: dict[str, Entry] = {
    **{name: Entry(WORKS) for name in _INHERITED.split()},
    "compute_loss": Entry(
        WORKS, _EDGES + "test_a_loss_of_a_subclass_trains_as_in_the_trainer", "The task loss of the labelled rows."
    ),
    "compute_loss_context_manager": Entry(
        WORKS, _HF + "test_under_bf16_both_terms_of_smart_are_float32", "The run's precision."
    ),
    "create_optimizer": Entry(
        WORKS, _EDGES + "test_the_method_is_set_up_whatever_builds_the_optimizer", "Over the method's groups."
    ),
    "evaluation_loop": Entry(WORKS, _STATE + "test_the_best_model_is_loaded_evaluated_and_saved", "On `eval_model`."),
    "get_batch_samples": Entry(
        WORKS,
        _EDGES + "test_batches_of_an_override_that_nobody_counted_are_refused",
        "Counts the labelled rows; an override has to call it.",
    ),
    "get_train_dataloader": Entry(WORKS, _TABLE + "test_replays_keep_the_loaders_options", "With FreeAT's replays."),
    "hyperparameter_search": Entry(WORKS, _HF + "test_model_init_sets_the_method_up_anew", "Each trial starts anew."),
    "log": Entry(WORKS, _HF + "test_logs_show_means_since_the_last_line", "With the method's loss parts."),
    "prediction_step": Entry(WORKS, _MODELS + "test_a_prediction_has_what_the_model_puts_out"),
    "save_model": Entry(
        WORKS, _STATE + "test_saved_weights_are_the_evaluated_ones_and_load_everywhere", "Saves `eval_model`."
    ),
    "set_initial_training_values": Entry(WORKS, _EDGES + "test_how_long_a_method_with_replays_trains"),
    "training_step": Entry(WORKS, _HF + "test_it_is_the_suites_own_loop", "The method's forward and backward passes."),
}
