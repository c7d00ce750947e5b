import time
def test_lat(http):
    t=http.token("viewer")
    for path,tok in [("/healthz",None),("/api/users",t)]*2:
        t0=time.perf_counter()
        for _ in range(20): http.request("GET", path, token=tok)
        print(path,(time.perf_counter()-t0)/20*1000,"ms")
    t0=time.perf_counter()
    for _ in range(20): http.request("POST", "/api/flow_runs", {}, token=t)
    print("post 403",(time.perf_counter()-t0)/20*1000,"ms")
