; In place of numba's runtime, inside every object file. A block of memory begins with the number
; of its references; the 4th word is the address of the data, the 5th their size.

declare ptr @malloc(i64)
declare void @free(ptr)

define internal ptr @friedel_allocate(i64 %size) {
  %whole = add i64 %size, 128
  %memory = call ptr @malloc(i64 %whole)
  %none = icmp eq ptr %memory, null
  br i1 %none, label %failed, label %made
failed:
  ret ptr null
made:
  store i64 1, ptr %memory
  %at = ptrtoint ptr %memory to i64
  %beyond = add i64 %at, 127
  %aligned = and i64 %beyond, -64
  %data = inttoptr i64 %aligned to ptr
  %of_data = getelementptr i64, ptr %memory, i64 3
  store ptr %data, ptr %of_data
  %of_size = getelementptr i64, ptr %memory, i64 4
  store i64 %size, ptr %of_size
  ret ptr %memory
}

define ptr @NRT_MemInfo_alloc(i64 %size) {
  %made = call ptr @friedel_allocate(i64 %size)
  ret ptr %made
}

define ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {
  %made = call ptr @friedel_allocate(i64 %size)
  ret ptr %made
}

define ptr @NRT_MemInfo_alloc_safe_aligned(i64 %size, i32 %align) {
  %made = call ptr @friedel_allocate(i64 %size)
  ret ptr %made
}

define void @NRT_MemInfo_call_dtor(ptr %memory) {
  call void @free(ptr %memory)
  ret void
}

; The strides of a contiguous array in another shape
define i32 @numba_attempt_nocopy_reshape(i64 %nd, ptr %dims, ptr %strides, i64 %newnd,
    ptr %newdims, ptr %newstrides, i64 %itemsize, i32 %order) {
entry:
  br label %loop
loop:
  %i = phi i64 [ %newnd, %entry ], [ %j, %body ]
  %step = phi i64 [ %itemsize, %entry ], [ %next, %body ]
  %done = icmp eq i64 %i, 0
  br i1 %done, label %end, label %body
body:
  %j = sub i64 %i, 1
  %to = getelementptr i64, ptr %newstrides, i64 %j
  store i64 %step, ptr %to
  %of = getelementptr i64, ptr %newdims, i64 %j
  %n = load i64, ptr %of
  %next = mul i64 %step, %n
  br label %loop
end:
  ret i32 1
}
