/* Stands in for the CUDA runtime, ahead of the real one: one card, described by macros, on which
 * everything succeeds and nothing happens. Of the runtime only what PyTorch asks for on its way is
 * here; what is missing reaches the real runtime, which says that there is no driver. The
 * driver's functions are added when this is built. */
#include <stdlib.h>
#include <string.h>

#include <cuda_runtime_api.h>

static int somewhere;
#define HANDLE ((void *)&somewhere)
#define OK return cudaSuccess

cudaError_t cudaGetDeviceCount(int *n) { *n = 1; OK; }
cudaError_t cudaGetDevice(int *n) { *n = 0; OK; }
cudaError_t cudaSetDevice(int n) { OK; }
cudaError_t cudaDriverGetVersion(int *version) { *version = CUDART_VERSION; OK; }
cudaError_t cudaDeviceGetAttribute(int *v, enum cudaDeviceAttr a, int n) { *v = 0; OK; }
cudaError_t cudaDeviceSynchronize(void) { OK; }
cudaError_t cudaGetLastError(void) { OK; }
cudaError_t cudaPeekAtLastError(void) { OK; }

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *card, int n) {
  memset(card, 0, sizeof *card);
  strcpy(card->name, CARD_NAME);
  card->major = CARD_MAJOR;
  card->minor = CARD_MINOR;
  card->multiProcessorCount = CARD_PROCESSORS;
  card->l2CacheSize = CARD_L2;
  card->totalGlobalMem = CARD_MEMORY;
  card->sharedMemPerBlock = 48 << 10;
  card->sharedMemPerBlockOptin = CARD_SHARED;
  card->sharedMemPerMultiprocessor = CARD_SHARED + 1024;
  card->maxThreadsPerMultiProcessor = CARD_THREADS;
  card->maxThreadsPerBlock = 1024;
  card->regsPerBlock = card->regsPerMultiprocessor = 65536;
  card->warpSize = 32;
  OK;
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) { *free = *total = CARD_MEMORY; OK; }
cudaError_t cudaMalloc(void **p, size_t n) { *p = malloc(n); OK; }
cudaError_t cudaFree(void *p) { OK; }
cudaError_t cudaHostAlloc(void **p, size_t n, unsigned flags) { *p = malloc(n); OK; }
cudaError_t cudaFreeHost(void *p) { OK; }
cudaError_t cudaMemcpy(void *to, const void *from, size_t n, enum cudaMemcpyKind k) { OK; }
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind k,
                            cudaStream_t s) { OK; }
cudaError_t cudaMemsetAsync(void *p, int value, size_t n, cudaStream_t s) { OK; }
cudaError_t cudaLaunchKernel(const void *f, dim3 grid, dim3 block, void **args, size_t shared,
                             cudaStream_t s) { OK; }
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *c, const void *f, void **args) { OK; }

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *most) { *least = 0; *most = -5; OK; }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned f, int p) { *s = HANDLE; OK; }
cudaError_t cudaStreamGetPriority(cudaStream_t s, int *priority) { *priority = 0; OK; }
cudaError_t cudaStreamDestroy(cudaStream_t s) { OK; }
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags) { OK; }
cudaError_t cudaStreamSynchronize(cudaStream_t s) { OK; }
cudaError_t cudaStreamQuery(cudaStream_t s) { OK; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags) { *e = HANDLE; OK; }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) { OK; }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned f) { OK; }
cudaError_t cudaEventSynchronize(cudaEvent_t e) { OK; }
cudaError_t cudaEventQuery(cudaEvent_t e) { OK; }
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) { *ms = 1; OK; }
cudaError_t cudaEventDestroy(cudaEvent_t e) { OK; }

cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) { OK; }
cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode) { OK; }
cudaError_t cudaStreamIsCapturing(cudaStream_t s, enum cudaStreamCaptureStatus *status) {
  *status = cudaStreamCaptureStatusNone;
  OK;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t s, enum cudaStreamCaptureStatus *status,
                                     unsigned long long *id, cudaGraph_t *graph,
                                     const cudaGraphNode_t **nodes,
                                     const cudaGraphEdgeData **edges, size_t *n) {
  *status = cudaStreamCaptureStatusActive;
  if (id) *id = 1;
  if (graph) *graph = HANDLE;
  if (n) *n = 0;
  OK;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) { *graph = HANDLE; OK; }
cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t *nodes, size_t *n) { *n = 1; OK; }
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *run, cudaGraph_t g,
                                          unsigned long long flags) { *run = HANDLE; OK; }
cudaError_t cudaGraphLaunch(cudaGraphExec_t run, cudaStream_t s) { OK; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t run) { OK; }
cudaError_t cudaGraphDestroy(cudaGraph_t g) { OK; }
