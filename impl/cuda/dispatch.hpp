#pragma once
// From a request to the one body that carries it out.

#include "impl/cuda/bodies.hpp"

namespace dropcheck::cuda {

template <typename T, typename Stream, typename Launch>
void dispatch_single(const Request& request, const Stream& stream, Launch&& launch) {
  if (request.task.per_entry == 1) launch(SingleBody<T, false, Stream>{request.task, stream});
  else launch(SingleBody<T, true, Stream>{request.task, stream});
}

/// Calls launch(body) once, with the body for elements of type T. Nothing is called for no elements.
template <typename T, typename Launch>
void dispatch(const Request& request, Launch&& launch) {
  const Task& task = request.task;
  if (task.count == 0) return;
  const bool packs = task.packed != nullptr, channels = task.per_entry > 1;
  switch (request.source) {
    case Source::constant:
      if (request.vector && !packs)
        return launch(VectorBody<T, false, false, ConstantStream>{task, request.constant});
      return launch(SingleBody<T, false, ConstantStream>{task, request.constant});
    case Source::pytorch:
      if (!request.vector || channels) return dispatch_single<T>(request, request.pytorch, launch);
      if (packs) return launch(VectorBody<T, false, true, PyTorchStream>{task, request.pytorch});
      return launch(VectorBody<T, false, false, PyTorchStream>{task, request.pytorch});
    case Source::dropcheck: break;
  }
  const DropcheckStream& stream = request.dropcheck;
  if (!request.vector) return dispatch_single<T>(request, stream, launch);
  if (channels && packs) return launch(VectorBody<T, true, true, DropcheckStream>{task, stream});
  if (channels) return launch(VectorBody<T, true, false, DropcheckStream>{task, stream});
  if (packs) return launch(VectorBody<T, false, true, DropcheckStream>{task, stream});
  launch(VectorBody<T, false, false, DropcheckStream>{task, stream});
}

/// The same for a dtype that is known at run time.
template <typename Launch>
void dispatch(DType dtype, const Request& request, Launch&& launch) {
  switch (dtype) {
    case DType::f64: return dispatch<double>(request, launch);
    case DType::f32: return dispatch<float>(request, launch);
    case DType::f16: return dispatch<Half>(request, launch);
    case DType::bf16: return dispatch<BFloat16>(request, launch);
  }
}

}  // namespace dropcheck::cuda
