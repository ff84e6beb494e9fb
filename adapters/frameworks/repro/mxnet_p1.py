"""MXNet's Dropout with p = 1, which its parameter accepts ([0, 1]), and with p that is NaN.

pip install mxnet==1.9.1 numpy==1.23.5
"""
import mxnet as mx

for p in (1.0, float("nan")):
    x = mx.nd.array([1.0, -2.0, 3.0, 0.0])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Dropout(x, p=p)
    y.backward()
    print("mx.nd.Dropout, p =", p, "gives", y.asnumpy(), "gradient", x.grad.asnumpy())
for rate in (-0.1, 1.1):
    layer = mx.gluon.nn.Dropout(rate)
    try:
        with mx.autograd.record():
            print("gluon.nn.Dropout, rate =", rate, "gives", layer(mx.nd.ones(4)).asnumpy())
    except mx.MXNetError as error:
        print("gluon.nn.Dropout, rate =", rate, "is refused:", str(error).split("\n")[0])
