#include "suites/embedding/embedding_check.hpp"

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"

namespace dropcheck::suites {
namespace embedding {
namespace {

class ExactCheck final : public RepliesCheck {
 public:
  ExactCheck(const Definition& definition, const Dialect& dialect)
      : RepliesCheck(catalogue_row(definition.id, dialect)), definition_(definition) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = definition_.steps();
    RowTrial trial(steps, replies_of(seen), context);
    definition_.judge(trial);
    return trial.judgement(definition_.held);
  }

 private:
  Definition definition_;
};

}  // namespace

void add_exact_check(Registry& registry, const Definition& definition, const Dialect& dialect) {
  registry.add_protocol(
      own_protocol(definition.protocol, definition.summary, definition.steps, definition.problem));
  registry.add_check(std::make_unique<ExactCheck>(definition, dialect));
}

}  // namespace embedding

void add_embedding(Registry& registry, const Dialect& dialect) {
  using namespace embedding;
  for (const Definition& definition : {recurrent_sites(), recurrent_masks(), variational_masks(), attention(),
                                       attention_masks(), transformer_sites(), convolution(), mc_passes()})
    add_exact_check(registry, definition, dialect);
  add_mc_estimate(registry, dialect);
  add_subnetworks(registry, dialect);
  add_exact_check(registry, batch_norm(), dialect);
  add_exact_check(registry, modes(), dialect);
}

}  // namespace dropcheck::suites
