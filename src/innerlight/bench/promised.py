"""What must be measured: the rows that the tables of evidence owe, whether they hold or not."""

from __future__ import annotations

from innerlight.methods import names

WORLD = (
    "world.scenes_per_second", "world.k_means_rgb_miou", "world.legible",
    "files.malformed", "cli.import_seconds", "cli.imports_torch",
)  # fmt: skip
EMBEDDED = (
    "judge.category", "judge.colour", "judge.pattern", "judge.category_vae", "judge.colour_vae", "judge.pattern_vae",
    "judge.parts_miou", "judge.identity", "vae.psnr", "vae.psnr_things", "towers.retrieval", "towers.hard",
    "generate.one_category", "generate.one_colour", "generate.one_all", "generate.two_present", "generate.two_bound",
    "generate.three_present", "generate.setting", "generate.relation", "generate.diversity", "generate.cost",
    "maps.pointing", "maps.auroc", "features.match_pck", "features.match_over_rgb_patches",
    "features.match_over_vae_latents", "features.kmeans_miou", "inversion.caption", "inversion.fixed_point",
)  # fmt: skip
CORE = (
    "sampling.ddim_parity", "sampling.ddpm_parity", "sampling.inversion_parity", "taps.neutral", "taps.probabilities",
    "taps.cross_cost", "taps.cross_memory", "taps.self_cost", "taps.self_memory", "taps.tiny_cost",
    "daam.iou", "cli.malformed",
)  # fmt: skip
_EDITORS = ("attend_and_excite", "diffedit", "masactrl", "plug_and_play", "prompt_to_prompt")
EDITING = (
    "prompt_to_prompt.keep", "prompt_to_prompt.keep_over_from_image", "prompt_to_prompt.structure",
    "prompt_to_prompt.structure_over_from_image", "prompt_to_prompt.reweight",
    "plug_and_play.structure", "plug_and_play.structure_over_inversion_alone",
    "masactrl.identity", "masactrl.identity_over_prompt_to_prompt",
    "diffedit.keep", "diffedit.keep_over_no_mask", "diffedit.mask_iou", "diffedit.mask_iou_over_centred_gaussian",
    "attend_and_excite.present", "attend_and_excite.bound", "attend_and_excite.three_present",
    "attend_and_excite.three_bound", "null_text.reconstruction", "edit_friendly.reconstruction",
    *(f"{name}.{measure}" for name in _EDITORS for measure in ("cost", "cost_pocket", "memory")),
)  # fmt: skip


def _owed(name: str, measures: str, rivals: str = "") -> tuple[str, ...]:
    """A row for each measure, and one more for each rival beside the first."""
    overs = ("", *(f"_over_{rival}" for rival in rivals.split()))
    return tuple(f"{name}.{measure}{over}" for measure in measures.split() for over in overs)


RECOGNITION = (
    *_owed("diffseg", "miou ari", "k_means_on_colours_and_places"),
    *_owed("emerdiff", "miou boundary_iou band_miou", "k_means_on_colours_and_places"),
    *_owed("dift", "pck pck_close pck_across pck_across_close", "rgb_patches vae_latents"),
    *_owed("dift", "twins"),
    *_owed("embedding_correspondence", "pck pck_close pck_own_setting", "dift"),
    *_owed("embedding_correspondence", "twins"),
    *_owed("pdm", "retrieval_map r1 retrieval_map_apart r1_apart", "colours the_word_alone at_random"),
    *_owed("pdm", "miou biou", "the_word_alone colours the_mask_of_the_reference"),
    *_owed("pdm_voting", "retrieval_map r1 retrieval_map_apart r1_apart", "colours the_word_alone at_random"),
    *_owed("pdm_voting", "miou biou", "the_word_alone colours the_mask_of_the_reference"),
    "pdm.inverted_cosine", "pdm.passes", "diffseg.speed", "diffseg.memory", "emerdiff.cost", "emerdiff.cost_fast",
    "embedding_correspondence.arithmetic", "embedding_correspondence.speed", "search.exact", "search.rerank",
    "search.recall",
)  # fmt: skip
TEACHING = (
    *_owed("textual_inversion", "identity likeness", "the_word_it_began_as"),
    *_owed("textual_inversion", "variants held own_words"),
    *_owed("p_plus", "identity likeness", "textual_inversion_in_five_times_the_steps"),
    *_owed("p_plus", "layers split", "pattern"),
    "dreambooth.identity", "dreambooth.likeness", "dreambooth.price", "dreambooth.leak", "dreambooth.forgetting",
    *_owed("dreambooth_lora", "identity likeness", "the_name_before_it_was_taught"),
    *_owed("dreambooth_lora", "rank", "rank_2 rank_4"),
    *_owed("style_mixing", "joint", "the_mean_of_both_prompts the_shape_alone"),
    *_owed("text_anatomy", "padding preserve", "words_taken"),
    "textual_inversion.cost", "p_plus.cost", "dreambooth.cost", "dreambooth_lora.cost", "textual_inversion.optimiser",
)  # fmt: skip
SOAK = ("soak.kills", "soak.threads", "soak.memory", "soak.malformed")
GEOMETRY = tuple(f"{name}.geometry" for name in names())  # every method, registered and to come
PROMISED = (*WORLD, *EMBEDDED, *CORE, *EDITING, *RECOGNITION, *TEACHING, *SOAK, *GEOMETRY)
